"""Which studies there are: tables, BIDS datasets, DICOM archives, the rules that choose, and pseudonyms."""
