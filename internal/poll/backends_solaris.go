package poll

var backends = []backend{{"poll", openPoll}}

// pollRDHUP is 0 because this system tells a half-close only as readable.
const pollRDHUP = 0
