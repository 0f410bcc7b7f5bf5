"""One package per API that Busbar speaks; each translates to and from the domain and holds no logic of its own."""
