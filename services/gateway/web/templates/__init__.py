"""Templates of the pages that show something of somebody; whatever is put into them is escaped."""
