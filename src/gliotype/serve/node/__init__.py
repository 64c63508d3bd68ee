"""A DICOM node next to the PACS: it receives studies, runs `gliotype predict` on them, and sends the results back.

It needs the extra ``node`` (pynetdicom). `Node` is the service; `settings` is its configuration, `rules` choose the
studies to process, and `status` reports what it is doing. See ``docs/how-to/pacs.md``.
"""
