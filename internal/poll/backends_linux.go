package poll

import "golang.org/x/sys/unix"

var backends = []backend{{"epoll", openEpoll}, {"poll", openPoll}}

const pollRDHUP = unix.POLLRDHUP
