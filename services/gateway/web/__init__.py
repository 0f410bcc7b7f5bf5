"""Pages for people: the home page, the list of APIs and their interactive documentation. Plain files, no build step."""
