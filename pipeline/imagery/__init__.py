"""Arrays in, arrays out: coregistration, resampling, radiometry, validity."""
