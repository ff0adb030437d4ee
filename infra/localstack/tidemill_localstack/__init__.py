"""What LocalStack needs to run a stack without Docker and without downloads, and with Docker to use layers."""
