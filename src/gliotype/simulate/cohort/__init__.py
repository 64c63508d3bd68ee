"""Write cohorts of digital patients, with the truth about each."""
