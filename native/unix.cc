#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "binding.h"
#include "descriptor.h"
#include "errors.h"

// Unix sockets by path; a path that starts with NUL is an abstract name.
namespace baton {

namespace {

constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;

struct UnixAddress {
  sockaddr_un value{};
  socklen_t length = 0;

  const sockaddr* Pointer() const { return reinterpret_cast<const sockaddr*>(&value); }
};

bool Abstract(const std::string& path) { return !path.empty() && path[0] == '\0'; }

// False when the path does not fit: the kernel would bind a shortened one without a word.
bool Address(const std::string& path, UnixAddress* address) {
  // A file's path needs its closing NUL, an abstract name has none.
  size_t room = sizeof address->value.sun_path - (Abstract(path) ? 0 : 1);
  if (path.size() > room) return false;
  address->value.sun_family = AF_UNIX;
  memcpy(address->value.sun_path, path.data(), path.size());
  address->length = offsetof(sockaddr_un, sun_path) + path.size() + (Abstract(path) ? 0 : 1);
  return true;
}

}  // namespace

// listenUnix(path, backlog)
Napi::Value ListenUnix(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string path = info[0].As<Napi::String>().Utf8Value();
  UnixAddress address;
  if (!Address(path, &address)) return ThrowErrno(env, ENAMETOOLONG, "bind");
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | kFlags, 0));
  if (!socket.Valid()) return ThrowErrno(env, errno, "socket");
  if (bind(socket.Get(), address.Pointer(), address.length) != 0) return ThrowErrno(env, errno, "bind");
  if (listen(socket.Get(), Integer(info[1])) != 0) {
    int number = errno;
    if (!Abstract(path)) unlink(path.c_str());
    return ThrowErrno(env, number, "listen");
  }
  return Napi::Number::New(env, socket.Release());
}

// bindUnix(path)
Napi::Value BindUnix(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  UnixAddress address;
  if (!Address(info[0].As<Napi::String>().Utf8Value(), &address)) return ThrowErrno(env, ENAMETOOLONG, "bind");
  Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | kFlags, 0));
  if (!socket.Valid()) return ThrowErrno(env, errno, "socket");
  if (bind(socket.Get(), address.Pointer(), address.length) != 0) return ThrowErrno(env, errno, "bind");
  return Napi::Number::New(env, socket.Release());
}

// connectUnix(path)
Napi::Value ConnectUnix(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  UnixAddress address;
  if (!Address(info[0].As<Napi::String>().Utf8Value(), &address)) return ThrowErrno(env, ENAMETOOLONG, "connect");
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | kFlags, 0));
  if (!socket.Valid()) return ThrowErrno(env, errno, "socket");
  // A Unix socket connects at once or not at all: a full queue is EAGAIN, never EINPROGRESS.
  int status;
  do status = connect(socket.Get(), address.Pointer(), address.length);
  while (status != 0 && errno == EINTR);
  if (status != 0) return ThrowErrno(env, errno, "connect");
  return Napi::Number::New(env, socket.Release());
}

Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | kFlags, 0, ends) != 0) return ThrowErrno(env, errno, "socketpair");
  Napi::Array pair = Napi::Array::New(env, 2);
  pair.Set(0u, Napi::Number::New(env, ends[0]));
  pair.Set(1u, Napi::Number::New(env, ends[1]));
  return pair;
}

// notify(path, bytes) -> true = delivered, false = nobody there or no room
Napi::Value Notify(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto bytes = info[1].As<Napi::Uint8Array>();
  UnixAddress address;
  if (!Address(info[0].As<Napi::String>().Utf8Value(), &address)) return ThrowErrno(env, ENAMETOOLONG, "sendto");
  Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | kFlags, 0));
  if (!socket.Valid()) return ThrowErrno(env, errno, "socket");
  ssize_t sent;
  do sent = sendto(socket.Get(), bytes.Data(), bytes.ByteLength(), MSG_NOSIGNAL, address.Pointer(), address.length);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return Napi::Boolean::New(env, true);
  if (errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN) return Napi::Boolean::New(env, false);
  return ThrowErrno(env, errno, "sendto");
}

}  // namespace baton
