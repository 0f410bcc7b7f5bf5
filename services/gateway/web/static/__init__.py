"""The pages and their files; a package only so that an installed Busbar has them too."""
