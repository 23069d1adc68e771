// What @kubernetes/client-node loads undici for, its own client, Baton does not use (`transport.ts`). The bundle takes this file
// instead (`build:cli`), which saves a third of its size and 9 MiB of the controller's and each agent's memory.

const unused = (): never => {
  throw new Error('undici is not in the bundle: requests go through cluster/kubernetes/transport.ts');
};

export class Agent {
  constructor() {
    unused();
  }
}

export class ProxyAgent {
  constructor() {
    unused();
  }
}

export const fetch = unused;
