#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "binding.h"
#include "descriptor.h"
#include "errors.h"

// What the kernel says of a socket.
namespace baton {

namespace {

struct Queue {
  bool known = false;
  uint32_t length = 0;
  uint32_t limit = 0;
};

bool Option(int socket, int option, int* value) {
  socklen_t length = sizeof *value;
  return getsockopt(socket, SOL_SOCKET, option, value, &length) == 0;
}

const char* FamilyName(int family) {
  if (family == AF_INET) return "ipv4";
  if (family == AF_INET6) return "ipv6";
  return family == AF_UNIX ? "unix" : nullptr;
}

const char* TypeName(int type) {
  if (type == SOCK_STREAM) return "stream";
  if (type == SOCK_DGRAM) return "datagram";
  return type == SOCK_SEQPACKET ? "seqpacket" : nullptr;
}

// Of a listening TCP socket these two fields hold the accept queue's length and limit.
Queue TcpQueue(int socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return {};
  return {true, info.tcpi_unacked, info.tcpi_sacked};
}

// Asks for this one socket by its inode; the kernel answers within the sending call, so nothing here waits.
Queue UnixQueue(int socket) {
  struct stat status;
  if (fstat(socket, &status) != 0) return {};
  Descriptor netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!netlink.Valid()) return {};

  struct {
    nlmsghdr header;
    unix_diag_req body;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.body.sdiag_family = AF_UNIX;
  request.body.udiag_states = ~0u;
  request.body.udiag_ino = static_cast<uint32_t>(status.st_ino);
  request.body.udiag_show = UDIAG_SHOW_RQLEN;
  request.body.udiag_cookie[0] = ~0u;
  request.body.udiag_cookie[1] = ~0u;
  if (send(netlink.Get(), &request, sizeof request, MSG_NOSIGNAL) < 0) return {};

  alignas(nlmsghdr) char answer[1024];
  ssize_t received = recv(netlink.Get(), answer, sizeof answer, 0);
  auto* header = reinterpret_cast<nlmsghdr*>(answer);
  if (received < 0 || !NLMSG_OK(header, static_cast<size_t>(received))) return {};
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY || header->nlmsg_len < NLMSG_LENGTH(sizeof(unix_diag_msg))) return {};

  size_t offset = NLMSG_LENGTH(sizeof(unix_diag_msg));
  while (offset + sizeof(nlattr) <= header->nlmsg_len) {
    auto* attribute = reinterpret_cast<nlattr*>(answer + offset);
    if (attribute->nla_len < sizeof(nlattr) || offset + attribute->nla_len > header->nlmsg_len) return {};
    if (attribute->nla_type == UNIX_DIAG_RQLEN && attribute->nla_len >= NLA_HDRLEN + sizeof(unix_diag_rqlen)) {
      unix_diag_rqlen found;
      memcpy(&found, answer + offset + NLA_HDRLEN, sizeof found);
      return {true, found.udiag_rqueue, found.udiag_wqueue};
    }
    offset += NLA_ALIGN(attribute->nla_len);
  }
  return {};
}

// Undefined for a Unix socket without a name.
Napi::Value AddressOf(Napi::Env env, const sockaddr_storage& address, socklen_t length) {
  Napi::Object result = Napi::Object::New(env);
  if (address.ss_family == AF_UNIX) {
    constexpr size_t start = offsetof(sockaddr_un, sun_path);
    if (length <= start) return env.Undefined();
    const char* path = reinterpret_cast<const char*>(&address) + start;
    size_t size = length - start;
    if (path[0] != '\0') size = strnlen(path, size);
    result.Set("path", Napi::String::New(env, path, size));
    return result;
  }
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  // Numeric: looks nothing up. Unlike inet_ntop it keeps the zone of a link-local address.
  int status = getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host, sizeof host, port, sizeof port,
                           NI_NUMERICHOST | NI_NUMERICSERV);
  if (status != 0) return ThrowErrno(env, status == EAI_SYSTEM ? errno : EINVAL, "getnameinfo");
  result.Set("host", Napi::String::New(env, host));
  result.Set("port", Napi::Number::New(env, atoi(port)));
  return result;
}

}  // namespace

Napi::Value Facts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int socket = Integer(info[0]);
  int family, type, protocol, listening;
  if (!Option(socket, SO_DOMAIN, &family) || !Option(socket, SO_TYPE, &type) ||
      !Option(socket, SO_PROTOCOL, &protocol) || !Option(socket, SO_ACCEPTCONN, &listening)) {
    return ThrowErrno(env, errno, "getsockopt");
  }
  if (FamilyName(family) == nullptr) return ThrowErrno(env, EAFNOSUPPORT, "getsockopt", "SO_DOMAIN");
  if (TypeName(type) == nullptr) return ThrowErrno(env, ESOCKTNOSUPPORT, "getsockopt", "SO_TYPE");

  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return ThrowErrno(env, errno, "getsockname");
  }
  Napi::Value name = AddressOf(env, address, length);
  if (env.IsExceptionPending()) return env.Undefined();

  Napi::Object result = Napi::Object::New(env);
  result.Set("family", Napi::String::New(env, FamilyName(family)));
  result.Set("type", Napi::String::New(env, TypeName(type)));
  if (!name.IsUndefined()) result.Set("address", name);
  result.Set("listening", Napi::Boolean::New(env, listening != 0));
  Queue queue;
  if (listening != 0 && family == AF_UNIX) queue = UnixQueue(socket);
  if (listening != 0 && protocol == IPPROTO_TCP) queue = TcpQueue(socket);
  if (queue.known) {
    Napi::Object waiting = Napi::Object::New(env);
    waiting.Set("length", Napi::Number::New(env, queue.length));
    waiting.Set("limit", Napi::Number::New(env, queue.limit));
    result.Set("acceptQueue", waiting);
  }
  return result;
}

}  // namespace baton
