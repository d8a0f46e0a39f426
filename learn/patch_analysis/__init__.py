"""What users see of patch autoencoders: latent maps and manifolds, scores against truth, a report."""
