"""The virtual Zhuzhou: a landscape whose truth is known, what satellites see of it and what crews measure in it.

``landscape`` is the field of truth (``terrain``, ``cover`` and ``growth`` hold its kernels, ``zhuzhou.toml`` its large
shapes and rules); ``scenes`` records it (``appearance``, ``clouds``, ``optics``, ``radar``, ``signatures.toml``);
``fieldwork`` draws plots, labels and reference points from it. Every number of it is invented: it serves to try, test
and prove the methods, never to say anything about the real city.
"""
