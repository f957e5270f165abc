"""What people read: the report page, the workbook, the overview picture and the rows of the final table.

Nothing here estimates. :class:`~sinkest.report.data.ReportData` is read; the only arithmetic is the change of unit, the
rounding of :mod:`sinkest.report.book`, and the half-width of an interval as a share of its estimate.
"""
