package transport

// sharePort is 0: the option is none that all systems of this kind have.
const sharePort = 0
