"""What a band is: names, sensors, radiometry."""
