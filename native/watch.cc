#include <uv.h>

#include <cerrno>
#include <memory>
#include <unordered_set>

#include "binding.h"
#include "errors.h"

// A descriptor under the event loop's watch. The uv handle lives in a Poll of its own, which only libuv frees (in the
// close callback); the JavaScript object lets go of it at close(). So neither outlives what it points to.
namespace baton {

namespace {

constexpr int kReadable = 1;
constexpr int kWritable = 2;

class Watcher;

// One per environment: main thread and each worker have their own.
struct Watches {
  Napi::FunctionReference constructor;
  std::unordered_set<Watcher*> open;
  // Handles that libuv has not given back yet, the closing ones included.
  size_t handles = 0;
  napi_async_cleanup_hook_handle ending = nullptr;
  bool ended = false;
};

struct Poll {
  uv_poll_t handle;
  Watcher* watcher;
  Watches* watches;
};

// The environment may go only when libuv has given every handle back.
void FinishIfEmpty(Watches* watches) {
  if (!watches->ended || watches->handles > 0 || watches->ending == nullptr) return;
  napi_async_cleanup_hook_handle ending = watches->ending;
  watches->ending = nullptr;
  napi_remove_async_cleanup_hook(ending);
}

void OnClosed(uv_handle_t* handle) {
  auto* poll = static_cast<Poll*>(handle->data);
  Watches* watches = poll->watches;
  delete poll;
  watches->handles--;
  FinishIfEmpty(watches);
}

class Watcher : public Napi::ObjectWrap<Watcher> {
 public:
  // new Watcher(descriptor, events, callback)
  explicit Watcher(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Watcher>(info) {
    Napi::Env env = info.Env();
    watches_ = env.GetInstanceData<Watches>();
    uv_loop_t* loop;
    napi_get_uv_event_loop(env, &loop);

    auto poll = std::make_unique<Poll>();
    int status = uv_poll_init(loop, &poll->handle, Integer(info[0]));
    if (status != 0) {
      ThrowErrno(env, -status, "epoll_ctl");
      return;
    }
    poll_ = poll.release();
    poll_->handle.data = poll_;
    poll_->watcher = this;
    poll_->watches = watches_;
    watches_->handles++;
    watches_->open.insert(this);
    callback_ = Napi::Persistent(info[2].As<Napi::Function>());
    // The runtime holds the resource weakly: one that nothing else holds takes the caller's context with it.
    context_ = std::make_unique<Napi::AsyncContext>(env, "BatonWatch", info.This().As<Napi::Object>());
    // Held until close(): a watch that nobody remembers still calls back.
    Ref();
    Start(env, Integer(info[1]));
    if (env.IsExceptionPending()) Release();
  }

  ~Watcher() override { Detach(); }

  void Update(const Napi::CallbackInfo& info) {
    if (poll_ == nullptr) {
      ThrowErrno(info.Env(), EBADF, "epoll_ctl");
      return;
    }
    Start(info.Env(), Integer(info[0]));
  }

  void Close(const Napi::CallbackInfo&) {
    if (poll_ != nullptr) Release();
  }

  // Stops the handle now, so that the descriptor is free at return, and lets go of the callback.
  void Release() {
    Detach();
    callback_.Reset();
    // While the callback runs, its context is in use; OnEvents lets go of it then.
    if (!calling_) context_.reset();
    Unref();
  }

  static void OnPoll(uv_poll_t* handle, int status, int events) {
    Watcher* watcher = static_cast<Poll*>(handle->data)->watcher;
    if (watcher != nullptr) watcher->OnEvents(status, events);
  }

 private:
  void Detach() {
    if (poll_ == nullptr) return;
    Poll* poll = poll_;
    poll_ = nullptr;
    poll->watcher = nullptr;
    watches_->open.erase(this);
    uv_poll_stop(&poll->handle);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle), OnClosed);
  }

  void Start(Napi::Env env, int events) {
    events_ = events;
    int mask = 0;
    if (events & kReadable) mask |= UV_READABLE;
    if (events & kWritable) mask |= UV_WRITABLE;
    // Asked for nothing, nothing is reported, a hangup neither: it would come again at every turn of the loop.
    if (mask != 0) mask |= UV_DISCONNECT;
    int status = uv_poll_start(&poll_->handle, mask, OnPoll);
    if (status != 0) ThrowErrno(env, -status, "epoll_ctl");
  }

  void OnEvents(int status, int events) {
    Napi::Env env = Env();
    Napi::HandleScope scope(env);
    // Keeps this object alive over a close() within the callback.
    Napi::Value self = Value();
    bool readable = status != 0 || (events & (UV_READABLE | UV_DISCONNECT)) != 0;
    bool writable = status != 0 ? (events_ & kWritable) != 0 : (events & UV_WRITABLE) != 0;
    napi_value arguments[] = {Napi::Boolean::New(env, readable), Napi::Boolean::New(env, writable)};
    calling_ = true;
    napi_make_callback(env, *context_, self, callback_.Value(), 2, arguments, nullptr);
    calling_ = false;
    Surface(env);
    // libuv stopped the handle at an error (a UDP socket's ICMP error, say); a read clears it and life goes on.
    if (poll_ != nullptr && status != 0) {
      Start(env, events_);
      Surface(env);
    }
    if (poll_ == nullptr) context_.reset();
  }

  // Without a caller to throw to, an exception is the process's (or worker's) uncaughtException.
  static void Surface(napi_env env) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) return;
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }

  Watches* watches_ = nullptr;
  Poll* poll_ = nullptr;
  int events_ = 0;
  bool calling_ = false;
  Napi::FunctionReference callback_;
  std::unique_ptr<Napi::AsyncContext> context_;
};

void OnEnd(napi_async_cleanup_hook_handle, void* data) {
  auto* watches = static_cast<Watches*>(data);
  watches->ended = true;
  while (!watches->open.empty()) (*watches->open.begin())->Release();
  FinishIfEmpty(watches);
}

// watch(descriptor, events, callback)
Napi::Value Watch(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Watches>()->constructor.New({info[0], info[1], info[2]});
}

}  // namespace

Napi::Function InitWatch(Napi::Env env) {
  auto* watches = new Watches();
  env.SetInstanceData(watches);
  Napi::Function constructor = Watcher::DefineClass(
      env, "Watcher", {Watcher::InstanceMethod("update", &Watcher::Update), Watcher::InstanceMethod("close", &Watcher::Close)});
  watches->constructor = Napi::Persistent(constructor);
  napi_add_async_cleanup_hook(env, OnEnd, watches, &watches->ending);
  return Napi::Function::New(env, Watch, "watch");
}

}  // namespace baton
