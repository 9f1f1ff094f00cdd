"""The names and arguments of two other packages, so that their users change one import.

    libimle.compat.torch_imle    torch-imle: imle, its target and noise distributions
    libimle.compat.aimle         AIMLE (torch-adaptive-imle): imle, aimle, ste, its distributions and solvers

Both are written from the published formulas and signatures, and give the gradients of their namesakes, in their units:
dy is taken as it comes and the gradient is not divided by lambda unless the target distribution says so. The modules
say where they differ on purpose. New programs are better served by libimle.torch: its lambda does not depend on the
size of the batch, its layers are MAP(theta) in evaluation mode, and they compile, export and map.
"""
