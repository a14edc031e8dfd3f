package poll

var backends = []backend{{"iocp", openIOCP}}
