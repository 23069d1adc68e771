/*
 * The yardstick: descriptors from one process to another and one byte back, with nothing but system calls.
 * loop DESCRIPTORS MESSAGES prints microseconds per message. Does call for call what index.ts and peer.ts do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 253

static void fail(const char *call) {
  perror(call);
  exit(1);
}

static void put(int socket, const int *descriptors, int count) {
  char byte = 'x';
  struct iovec part = {&byte, 1};
  char control[CMSG_SPACE(sizeof(int) * MOST)] __attribute__((aligned(8)));
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(rights), descriptors, sizeof(int) * count);
  }
  while (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
    if (errno != EAGAIN && errno != EINTR) fail("sendmsg");
  }
}

/* Closes what arrives. Returns 0 at the end of the stream. */
static int take(int socket, int expected) {
  char byte;
  struct iovec part = {&byte, 1};
  char control[CMSG_SPACE(sizeof(int) * MOST)] __attribute__((aligned(8)));
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  ssize_t received;
  for (;;) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (received >= 0) break;
    if (errno != EAGAIN && errno != EINTR) fail("recvmsg");
  }
  if (received == 0) return 0;
  int count = 0;
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  if (rights != NULL) {
    int descriptors[MOST];
    count = (int)((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(rights), sizeof(int) * count);
    for (int index = 0; index < count; index++) close(descriptors[index]);
  }
  if (count != expected) {
    fprintf(stderr, "%d descriptors instead of %d\n", count, expected);
    exit(1);
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int count = atoi(argv[1]), messages = atoi(argv[2]);
  int ends[2], descriptors[MOST];
  if (count < 0 || count > MOST) return 2;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
  for (int index = 0; index < count; index++) descriptors[index] = open("/dev/null", O_RDONLY | O_CLOEXEC);

  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    close(ends[0]);
    while (take(ends[1], count)) put(ends[1], NULL, 0);
    _exit(0);
  }
  close(ends[1]);
  struct timespec start, end;
  for (int index = -messages / 10; index < messages; index++) {
    if (index == 0) clock_gettime(CLOCK_MONOTONIC, &start);
    put(ends[0], descriptors, count);
    take(ends[0], 0);
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  close(ends[0]);
  int status;
  waitpid(child, &status, 0);
  if (status != 0) return 1;
  double nanoseconds = (end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec);
  printf("%.3f\n", nanoseconds / messages / 1000);
  return 0;
}
