#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "binding.h"
#include "descriptor.h"
#include "errors.h"

// Bytes with descriptors over a Unix stream socket. Descriptors cross into JavaScript through an Int32Array of
// native/index.ts, not through arrays and objects made here: 253 of them would cost more than the call itself.
namespace baton {

namespace {

// SCM_MAX_FD of the kernel: one more is EINVAL.
constexpr size_t kMaxDescriptors = 253;

// An older C library may not name it; the number is the kernel's.
constexpr int kScmPidfd = 0x04;

constexpr double kAgain = -1;

// Room for the descriptors and for what a socket's options may add (credentials, security label, pidfd): without it
// these would push descriptors out.
constexpr size_t kControlRoom = CMSG_SPACE(sizeof(int) * kMaxDescriptors) + CMSG_SPACE(sizeof(ucred)) +
                                CMSG_SPACE(sizeof(int)) + CMSG_SPACE(256);

struct Arrived {
  int* kept;
  size_t limit;
  size_t count = 0;
  bool surplus = false;
};

// Walks every control message; what is over the limit is closed here, so that nothing can leak.
void Collect(msghdr* message, Arrived* arrived) {
  for (cmsghdr* part = CMSG_FIRSTHDR(message); part != nullptr; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET) continue;
    if (part->cmsg_type != SCM_RIGHTS && part->cmsg_type != kScmPidfd) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < count; index++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(part) + index * sizeof(int), sizeof(int));
      if (part->cmsg_type == SCM_RIGHTS && arrived->count < arrived->limit) {
        arrived->kept[arrived->count++] = descriptor;
        continue;
      }
      if (part->cmsg_type == SCM_RIGHTS) arrived->surplus = true;
      // A pidfd that the kernel could not make is a negative error number.
      if (descriptor >= 0) close(descriptor);
    }
  }
}

}  // namespace

// send(socket, bytes, descriptors: Int32Array, count) -> bytes sent, -1 = try again
Napi::Value Send(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int socket = Integer(info[0]);
  auto bytes = info[1].As<Napi::Uint8Array>();
  size_t count = info[3].As<Napi::Number>().Uint32Value();

  iovec part{bytes.Data(), bytes.ByteLength()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
  if (count > 0) {
    auto descriptors = info[2].As<Napi::Int32Array>();
    if (count > kMaxDescriptors || count > descriptors.ElementLength()) return ThrowErrno(env, EINVAL, "sendmsg");
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(rights), descriptors.Data(), sizeof(int) * count);
  }

  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return Napi::Number::New(env, static_cast<double>(sent));
  if (errno == EAGAIN) return Napi::Number::New(env, kAgain);
  return ThrowErrno(env, errno, "sendmsg");
}

// receive(socket, into, maxDescriptors, out: Int32Array) -> bytes received, -1 = try again.
// out = [count, truncated, descriptor, ...]
Napi::Value Receive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int socket = Integer(info[0]);
  auto into = info[1].As<Napi::Uint8Array>();
  size_t limit = info[2].As<Napi::Number>().Uint32Value();
  auto out = info[3].As<Napi::Int32Array>();
  if (out.ElementLength() < limit + 2) return ThrowErrno(env, EINVAL, "recvmsg");

  iovec part{into.Data(), into.ByteLength()};
  alignas(cmsghdr) char control[kControlRoom];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;

  ssize_t received;
  do {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  if (received < 0) {
    if (errno == EAGAIN) return Napi::Number::New(env, kAgain);
    return ThrowErrno(env, errno, "recvmsg");
  }

  Arrived arrived{out.Data() + 2, limit};
  Collect(&message, &arrived);
  out.Data()[0] = static_cast<int>(arrived.count);
  out.Data()[1] = arrived.surplus || (message.msg_flags & MSG_CTRUNC) != 0;
  return Napi::Number::New(env, static_cast<double>(received));
}

Napi::Value Credentials(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(Integer(info[0]), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return ThrowErrno(env, errno, "getsockopt", "SO_PEERCRED");
  }
  // The kernel's "nobody is there": no connected Unix socket has this user.
  if (peer.uid == static_cast<uid_t>(-1)) return ThrowErrno(env, ENOTCONN, "getsockopt", "SO_PEERCRED");
  Napi::Object result = Napi::Object::New(env);
  result.Set("pid", Napi::Number::New(env, peer.pid));
  result.Set("uid", Napi::Number::New(env, peer.uid));
  result.Set("gid", Napi::Number::New(env, peer.gid));
  return result;
}

}  // namespace baton
