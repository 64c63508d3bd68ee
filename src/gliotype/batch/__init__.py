"""Predict many studies: on the cores of this machine, as shards of an array of jobs, or on a Dask cluster.

OUT/<study>/          what ``gliotype predict`` writes, and thumbnail.jpg
OUT/records/          one record for each study, which makes it count
OUT/predictions.csv   and other tables over all studies; index.html for checking the outlines
"""
