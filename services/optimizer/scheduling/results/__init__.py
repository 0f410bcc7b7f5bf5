"""From the solution of a scheduling problem to what is written on sensors and told to the customer. Pure."""
