"""The local web app: a page on this machine that uploads a study, shows its answer and takes corrections.

`security` guards every request, `cases` knows the folders, `uploads` writes what the page sends, `runs` lets the
queue of `gliotype.serve.jobs` run ``gliotype predict`` and ``gliotype revise``, `volumes` makes what the viewer shows,
and `app` puts them behind addresses. The page itself, without a build step, is in ``static/``.
"""
