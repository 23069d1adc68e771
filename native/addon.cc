#include "binding.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  add("send", baton::Send);
  add("receive", baton::Receive);
  add("credentials", baton::Credentials);
  add("duplicate", baton::Duplicate);
  add("close", baton::Close);
  add("shutdown", baton::Shutdown);
  add("lock", baton::Lock);
  add("facts", baton::Facts);
  add("listenTcp", baton::ListenTcp);
  add("bindUdp", baton::BindUdp);
  add("accept", baton::Accept);
  add("listenUnix", baton::ListenUnix);
  add("bindUnix", baton::BindUnix);
  add("connectUnix", baton::ConnectUnix);
  add("socketPair", baton::SocketPair);
  add("notify", baton::Notify);
  exports.Set("watch", baton::InitWatch(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(baton, Init)
