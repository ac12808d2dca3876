#ifndef _WIN32
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS has SO_NOSIGPIPE instead */
#endif

/* Where the engine listens; 0 where the folder or the socket is not this user's alone. */
static SysResult address_of(struct sockaddr_un *address) {
  char folder[SYS_PATH];
  struct stat s;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (!sys_runtime_folder(folder, sizeof folder)) return SYS_ABSENT;
  int n = snprintf(address->sun_path, sizeof address->sun_path, "%s/ofx.sock", folder);
  if (n < 0 || (size_t)n >= sizeof address->sun_path) return SYS_UNSUPPORTED;
  if (lstat(address->sun_path, &s) != 0) return SYS_ABSENT;
  if (!S_ISSOCK(s.st_mode) || s.st_uid != geteuid()) return SYS_FOREIGN;
  if (lstat(folder, &s) != 0 || s.st_uid != geteuid() || (s.st_mode & 077)) return SYS_FOREIGN;
  return SYS_OK;
}

static int is_own(int fd) {
#if defined(__linux__)
  struct ucred other;
  socklen_t size = sizeof other;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &other, &size) == 0 && size == sizeof other && other.uid == geteuid();
#else
  uid_t user;
  gid_t group;
  return getpeereid(fd, &user, &group) == 0 && user == geteuid();
#endif
}

static SysResult ready(int fd, short events, const SysWait *wait) {
  for (;;) {
    SysResult why = SYS_TIMEOUT;
    int ms = sys_left(wait, &why);
    if (!ms) return why;
    struct pollfd p = {fd, events, 0};
    int n = poll(&p, 1, ms);
    if (n > 0) return SYS_OK;
    if (n < 0 && errno != EINTR) return SYS_FAILED;
  }
}

static int new_socket(void) {
#if defined(__linux__)
  return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), on = 1;
  if (fd < 0) return fd;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
  return fd;
#endif
}

static SysResult joined(int fd, const struct sockaddr_un *address, const SysWait *wait) {
  for (;;) {
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EISCONN) return SYS_OK;
    if (errno == ENOENT || errno == ECONNREFUSED) return SYS_ABSENT;
    if (errno == EACCES || errno == EPERM) return SYS_FOREIGN;
    if (errno == EINPROGRESS || errno == EALREADY) {
      SysResult r = ready(fd, POLLOUT, wait);
      if (r != SYS_OK) return r;
    } else if (errno == EAGAIN) { /* its queue is full */
      SysResult why = SYS_TIMEOUT;
      if (!sys_left(wait, &why)) return why;
      sys_sleep(5);
    } else if (errno != EINTR) {
      return SYS_FAILED;
    }
  }
}

SysResult line_open(SysHandle *line, const SysWait *wait) {
  struct sockaddr_un address;
  *line = SYS_NO_HANDLE;
  SysResult r = address_of(&address);
  if (r != SYS_OK) return r;
  int fd = new_socket();
  if (fd < 0) return SYS_FAILED;
  r = joined(fd, &address, wait);
  if (r == SYS_OK && !is_own(fd)) r = SYS_FOREIGN;
  if (r != SYS_OK) {
    close(fd);
    return r;
  }
  *line = fd;
  return SYS_OK;
}

static ssize_t put(int fd, const void *data, size_t size, int along) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = {(void *)(uintptr_t)data, size};
  struct msghdr message = {0};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (along != SYS_NO_HANDLE) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &along, sizeof along);
  }
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

SysResult line_send(SysHandle line, const void *data, size_t size, SysHandle along, const SysWait *wait) {
  const char *from = data;
  while (size) {
    ssize_t n = put(line, from, size, along);
    if (n > 0) {
      from += n;
      size -= (size_t)n;
      along = SYS_NO_HANDLE;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      SysResult r = ready(line, POLLOUT, wait);
      if (r != SYS_OK) return r;
    } else if (n < 0 && errno != EINTR) {
      return SYS_CLOSED;
    }
  }
  return SYS_OK;
}

SysResult line_receive(SysHandle line, void *data, size_t size, const SysWait *wait) {
  char *to = data;
  while (size) {
    SysResult r = ready(line, POLLIN, wait);
    if (r != SYS_OK) return r;
    ssize_t n = recv(line, to, size, 0); /* descriptors that come along are dropped by the kernel */
    if (n == 0) return SYS_CLOSED;
    if (n > 0) {
      to += n;
      size -= (size_t)n;
    } else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) {
      return SYS_CLOSED;
    }
  }
  return SYS_OK;
}

SysResult line_await(SysHandle line, const SysWait *wait) { return ready(line, POLLIN, wait); }

int line_quiet(SysHandle line) {
  struct pollfd p = {line, POLLIN, 0};
  return poll(&p, 1, 0) == 0;
}

void line_close(SysHandle line) {
  if (line != SYS_NO_HANDLE) close(line);
}
#endif
