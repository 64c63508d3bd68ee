"""A DICOM node beside the PACS: it receives studies, lets `gliotype predict` answer them, and sends the results back.

It needs the extra ``node`` (pynetdicom). `Node` is the service; `settings` says what it is told, `rules` which studies
it processes, and `status` what it is doing. See ``docs/how-to/pacs.md``.
"""
