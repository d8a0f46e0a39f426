"""What all variational autoencoders share: laws and divergences, schedules, orders, layers, histories."""
