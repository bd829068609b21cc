"""What a batch leaves: the output folder, tables, the page over all studies, comparisons."""
