"""What a stage does where services meet rules, learning or reports; clients, time and logger are handed in."""
