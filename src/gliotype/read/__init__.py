"""Read a study: files to `Study`."""

from gliotype.read.gathered import state_subject as state_subject
from gliotype.read.nifti.mask import read_mask as read_mask
from gliotype.read.study import read_study as read_study
