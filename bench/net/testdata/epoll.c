/*
 * An echo server and a source of bytes on bare epoll, in one thread: what the system itself
 * costs. It prints its port, and ends with its standard input.
 *
 *     epoll echo | source
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 1 << 16, BUFFER = 64 << 10, EVENTS = 128 };

/* What a peer has not taken yet: made when that happens, and freed when it is sent. */
struct rest {
	char *data;
	size_t from, to;
};

static struct rest rests[MAX_FDS];
static char buffer[BUFFER];
static int loop;

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void watch(int fd, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};
	must(epoll_ctl(loop, op, fd, &ev) == 0, "epoll_ctl");
}

static void drop(int fd)
{
	free(rests[fd].data);
	memset(&rests[fd], 0, sizeof rests[fd]);
	close(fd);
}

/* Sends what is left for fd. Nothing is read from it meanwhile. */
static void flush(int fd)
{
	struct rest *r = &rests[fd];
	while (r->from < r->to) {
		ssize_t n = send(fd, r->data + r->from, r->to - r->from, MSG_NOSIGNAL);
		if (n < 0) {
			if (errno != EAGAIN)
				drop(fd);
			return;
		}
		r->from += n;
	}
	free(r->data);
	memset(r, 0, sizeof *r);
	watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void echo(int fd)
{
	ssize_t n = recv(fd, buffer, sizeof buffer, 0);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			drop(fd);
		return;
	}
	ssize_t sent = send(fd, buffer, n, MSG_NOSIGNAL);
	if (sent == n)
		return;
	if (sent < 0 && errno != EAGAIN) {
		drop(fd);
		return;
	}
	if (sent < 0)
		sent = 0;
	struct rest *r = &rests[fd];
	r->data = malloc(n - sent);
	must(r->data != NULL, "malloc");
	memcpy(r->data, buffer + sent, n - sent);
	r->to = n - sent;
	watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
}

static void source(int fd)
{
	if (send(fd, buffer, sizeof buffer, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		drop(fd);
}

int main(int argc, char **argv)
{
	must(argc == 2, "usage");
	int sending = strcmp(argv[1], "source") == 0;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(listener >= 0, "socket");
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	must(bind(listener, (struct sockaddr *)&at, len) == 0, "bind");
	must(listen(listener, 65535) == 0, "listen");
	must(getsockname(listener, (struct sockaddr *)&at, &len) == 0, "getsockname");
	loop = epoll_create1(EPOLL_CLOEXEC);
	must(loop >= 0, "epoll_create1");
	watch(listener, EPOLL_CTL_ADD, EPOLLIN);
	watch(STDIN_FILENO, EPOLL_CTL_ADD, EPOLLIN);
	printf("127.0.0.1:%d\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(loop, events, EVENTS, -1);
		must(n >= 0 || errno == EINTR, "epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == STDIN_FILENO)
				return 0;
			if (fd == listener) {
				int c = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
				if (c < 0)
					continue;
				must(c < MAX_FDS, "too many connections");
				int one = 1;
				setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				watch(c, EPOLL_CTL_ADD, sending ? EPOLLOUT : EPOLLIN);
			} else if (sending) {
				source(fd);
			} else if (events[i].events & EPOLLOUT) {
				flush(fd);
			} else {
				echo(fd);
			}
		}
	}
}
