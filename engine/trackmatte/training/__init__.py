"""Training of the ``hiera`` refiner's decoder on a frozen SAM 2."""
