"""Head anatomies: label maps, the template, reshaping and pose."""
