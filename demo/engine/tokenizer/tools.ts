/** Tools as SGLang dumps them for a template: by its classes `Tool` and `Function`, whatever order a request has them in. */
export interface Tool {
  readonly type?: string;
  readonly function: {
    readonly name: string;
    readonly description?: string | null;
    readonly parameters?: unknown;
    readonly strict?: boolean;
    readonly defer_loading?: boolean | null;
  };
  readonly defer_loading?: boolean | null;
}

export function dumpTool({ type = "function", function: called, defer_loading }: Tool): object {
  const { name, description = null, parameters = null, strict = false } = called;
  const deferred = called.defer_loading ?? defer_loading ?? null;
  const dumped = { description, name, parameters, strict };
  return {
    type,
    function: deferred === null ? dumped : { ...dumped, defer_loading: deferred },
    defer_loading: defer_loading ?? null,
  };
}
