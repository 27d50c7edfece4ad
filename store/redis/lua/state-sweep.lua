-- Returns how many expired values were removed.
return sweep(now(), 1000)
