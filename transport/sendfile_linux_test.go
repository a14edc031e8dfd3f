package transport_test

// sendsFiles: ReadFrom sends a file by one call of the system, as far as others can see.
const sendsFiles = true
