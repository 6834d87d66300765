/** How a run or an event came from the completion of an action in another run. */
export interface Chain {
  /** The run that the chain began with. */
  readonly rootId: string;
  /** Completions between the root and this one, from 1. */
  readonly depth: number;
  /** The playbooks it went through, the root's included: none of them is started by it again. */
  readonly playbookIds: readonly string[];
}
