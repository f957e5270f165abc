"""The stages of a run, one file each; `sinkest.workflow` puts them in order."""
