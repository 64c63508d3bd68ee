"""The MNI152 atlas: template, brain, tissue and structures, with the functions that read them."""
