"""The waist between the picture half and the model half: requests, reports and results, all frozen values."""
