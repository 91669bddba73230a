"""What is going to happen: schedules of others, as told, and our own, as done; and one plan of both."""
