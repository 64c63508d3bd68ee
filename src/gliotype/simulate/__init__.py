"""Digital patients: anatomy, tumour, tissue, scanner."""
