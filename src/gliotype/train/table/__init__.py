"""Train the methods that read a few numbers of a patient: age, radiomics, and published signs."""
