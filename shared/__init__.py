"""What more than one service needs, and nothing else. It never imports a service."""
