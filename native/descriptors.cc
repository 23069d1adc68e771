#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "binding.h"
#include "errors.h"

namespace baton {

Napi::Value Duplicate(const Napi::CallbackInfo& info) {
  int copy = fcntl(Integer(info[0]), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return ThrowErrno(info.Env(), errno, "fcntl", "F_DUPFD_CLOEXEC");
  return Napi::Number::New(info.Env(), copy);
}

Napi::Value Close(const Napi::CallbackInfo& info) {
  // After EINTR Linux has closed it; a second try could hit somebody else's descriptor.
  if (close(Integer(info[0])) != 0 && errno != EINTR) return ThrowErrno(info.Env(), errno, "close");
  return info.Env().Undefined();
}

// shutdown(socket, write)
Napi::Value Shutdown(const Napi::CallbackInfo& info) {
  int how = info[1].As<Napi::Boolean>().Value() ? SHUT_WR : SHUT_RD;
  if (shutdown(Integer(info[0]), how) != 0) return ThrowErrno(info.Env(), errno, "shutdown");
  return info.Env().Undefined();
}

Napi::Value Lock(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int status;
  do status = flock(Integer(info[0]), LOCK_EX | LOCK_NB);
  while (status != 0 && errno == EINTR);
  if (status == 0) return Napi::Boolean::New(env, true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(env, false);
  return ThrowErrno(env, errno, "flock");
}

}  // namespace baton
