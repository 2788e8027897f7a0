// The one place where the page asks the server. A refusal becomes an `ApiError` that carries the
// problem document (RFC 9457), so that every page can show title, detail, hint and request id.

export interface Problem {
  title: string;
  status: number;
  detail?: string;
  hint?: string;
  request_id?: string;
}

export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail ? `${problem.title}: ${problem.detail}` : problem.title);
    this.name = "ApiError";
  }
  get status(): number {
    return this.problem.status;
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

/** A path with the parameters that have a value. */
export function withQuery(path: string, query: Query = {}): string {
  const told = Object.entries(query).filter(([, it]) => it !== null && it !== undefined && it !== "");
  const text = new URLSearchParams(told.map(([key, it]) => [key, String(it)])).toString();
  return text ? `${path}?${text}` : path;
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback: Problem = { title: response.statusText || `HTTP ${response.status}`, status: response.status };
  const id = response.headers.get("x-request-id") ?? undefined;
  try {
    const body = (await response.json()) as Partial<Problem>;
    return { ...fallback, request_id: id, ...body, status: response.status };
  } catch {
    return { ...fallback, request_id: id };
  }
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError({ title: "The server does not answer", status: 0, hint: "The page tries again by itself." });
  }
  if (!response.ok) throw new ApiError(await problemOf(response));
  return response;
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const headers = { accept: "application/json" };
  const response = await ask(withQuery(path, query), { headers, ...(signal ? { signal } : {}) });
  return (await response.json()) as T;
}

/** A command. The key makes a repeat harmless. */
export async function post<T>(path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = {
    accept: "application/json",
    "idempotency-key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`,
  };
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await ask(path, {
    method: "POST",
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return (text ? JSON.parse(text) : {}) as T;
}

/** A pipeline's or another resource's path, each part escaped. */
export function path(...parts: string[]): string {
  return `/api/v1/${parts.map(encodeURIComponent).join("/")}`;
}
