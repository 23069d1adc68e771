#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include <uv.h>

#include "binding.h"
#include "descriptor.h"
#include "errors.h"

// Internet sockets: listeners, UDP, accept.
namespace baton {

namespace {

// The same numbers are in native/index.ts.
constexpr int kReusePort = 1;
constexpr int kIpv6Only = 2;
constexpr int kTransparent = 4;

struct Failure {
  const char* syscall = nullptr;
  const char* detail = nullptr;
};

bool Set(int socket, int level, int option, int value, const char* name, Failure* failure) {
  if (setsockopt(socket, level, option, &value, sizeof value) == 0) return true;
  *failure = {"setsockopt", name};
  return false;
}

// A bound socket of the given type, or an invalid one with errno and `failure` set.
int Bind(const std::string& host, int port, int type, int flags, Failure* failure) {
  sockaddr_storage address{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
  bool six = uv_ip4_addr(host.c_str(), port, v4) != 0;
  int parsed = six ? uv_ip6_addr(host.c_str(), port, v6) : 0;
  if (parsed != 0) {
    errno = -parsed;
    *failure = {"inet_pton", nullptr};
    return -1;
  }

  Descriptor socket(::socket(six ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.Valid()) {
    *failure = {"socket", nullptr};
    return -1;
  }
  int fd = socket.Get();
  // For TCP as libuv does: connections in TIME_WAIT must not keep a restarted server from its port.
  if (type == SOCK_STREAM && !Set(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR", failure)) return -1;
  if ((flags & kReusePort) && !Set(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT", failure)) return -1;
  if (six && !Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, (flags & kIpv6Only) != 0, "IPV6_V6ONLY", failure)) return -1;
  if (flags & kTransparent) {
    bool set = six ? Set(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1, "IPV6_TRANSPARENT", failure)
                   : Set(fd, IPPROTO_IP, IP_TRANSPARENT, 1, "IP_TRANSPARENT", failure);
    if (!set) return -1;
  }
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), six ? sizeof *v6 : sizeof *v4) != 0) {
    *failure = {"bind", nullptr};
    return -1;
  }
  return socket.Release();
}

}  // namespace

// listenTcp(host, port, flags, backlog)
Napi::Value ListenTcp(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Failure failure;
  std::string host = info[0].As<Napi::String>().Utf8Value();
  Descriptor socket(Bind(host, Integer(info[1]), SOCK_STREAM, Integer(info[2]), &failure));
  if (!socket.Valid()) return ThrowErrno(env, errno, failure.syscall, failure.detail);
  if (listen(socket.Get(), Integer(info[3])) != 0) return ThrowErrno(env, errno, "listen");
  return Napi::Number::New(env, socket.Release());
}

// bindUdp(host, port, flags)
Napi::Value BindUdp(const Napi::CallbackInfo& info) {
  Failure failure;
  std::string host = info[0].As<Napi::String>().Utf8Value();
  int socket = Bind(host, Integer(info[1]), SOCK_DGRAM, Integer(info[2]), &failure);
  if (socket < 0) return ThrowErrno(info.Env(), errno, failure.syscall, failure.detail);
  return Napi::Number::New(info.Env(), socket);
}

// accept(socket) -> descriptor, undefined = nobody waits
Napi::Value Accept(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int accepted;
  do accepted = accept4(Integer(info[0]), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  while (accepted < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (accepted >= 0) return Napi::Number::New(env, accepted);
  if (errno == EAGAIN) return env.Undefined();
  return ThrowErrno(env, errno, "accept4");
}

}  // namespace baton
