"""Read a study: files to `Study`."""

from gliotype.read.study import read_study as read_study
