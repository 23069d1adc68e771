/** What of an admission request says whether it is about injection. */
export interface PodRequest {
  /** `CREATE`, `UPDATE`, `DELETE` or `CONNECT`. */
  operation: string;
  subResource?: string;
}

/** Whether a request is one to inject into: only a pod that is being created can be given containers. */
export const isForInjection = ({ operation, subResource }: PodRequest): boolean =>
  operation === 'CREATE' && !subResource;
