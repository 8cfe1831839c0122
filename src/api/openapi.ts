/** The API's description, made from the schemas that validate. */
import swagger from "@fastify/swagger";
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { FastifyContextConfig, FastifyInstance } from "fastify";
import type { OpenAPIV3_1 } from "openapi-types";

import { TENANT_LIMIT_BYTES } from "../affinity/session-key.ts";
import { TENANT_HEADER } from "./principal.ts";

/** Of the interface, which is not the program's. */
const API_VERSION = "1.0.0";

/** Before the routes that it is to describe. */
export async function describeRoutes(server: FastifyInstance): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Moorline session KV API",
        description: `What is stored where, for whom and for how long. An admin token names the tenant in \`${TENANT_HEADER}\`.`,
        version: API_VERSION,
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      servers: [{ url: "/" }],
      tags: [
        { name: "sessions", description: "What a conversation keeps" },
        { name: "turns", description: "What an engine loads and stores" },
        { name: "prefixes", description: "Shared beginnings of prompts" },
        { name: "segments", description: "Stored tokens and their bytes" },
        { name: "tenants", description: "Quotas and their use" },
      ],
      security: [{ bearer: [] }],
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer", description: "An admin's or a tenant's token" },
        },
      },
    },
    transform: (route) => withHeaders(jsonSchemaTransform(route), route.route.config),
    transformObject: (document) => withoutInputs(jsonSchemaTransformObject(document) as Described),
  });
}

/** Without credentials: the description is no secret. */
export function addOpenApi(server: FastifyInstance): void {
  server
    .withTypeProvider<ZodTypeProvider>()
    .get(
      "/v1/openapi.json",
      { schema: { operationId: "describeApi", hide: true } },
      (_request, reply) => reply.type("application/json").send(JSON.stringify(server.swagger())),
    );
}

type Transformed = ReturnType<typeof jsonSchemaTransform>;

/** What no schema of a route says: the tenant's header, which authentication reads, and the headers of answers. */
function withHeaders(transformed: Transformed, config: FastifyContextConfig = {}): Transformed {
  const schema = transformed.schema as RouteSchema | undefined;
  if (schema === undefined || schema.hide === true) return transformed;
  const { headers: asked, response: answers = {} } = schema;
  const headers = { ...asked, type: "object", properties: { ...asked?.properties, ...TENANT } };
  const response = Object.entries(answers).map(([status, answer]) => {
    const named = Object.entries(config.answerHeaders?.[Number(status)] ?? {});
    if (named.length === 0) return [status, answer];
    const described = named.map(([name, description]) => [name, { type: "string", description }]);
    return [status, { ...answer, headers: Object.fromEntries(described) }];
  });
  const described = { ...schema, headers, response: Object.fromEntries(response) };
  return { ...transformed, schema: described as Transformed["schema"] };
}

/** As it is after the transformation: JSON Schema. */
interface RouteSchema {
  readonly hide?: boolean;
  readonly headers?: { readonly properties?: object };
  readonly response?: Readonly<Record<string, object>>;
}

const TENANT = {
  [TENANT_HEADER]: {
    type: "string",
    maxLength: TENANT_LIMIT_BYTES,
    description: "For an admin: which tenant to act for; without it, the default one",
  },
};

type Described = Partial<OpenAPIV3_1.Document>;

/** What is named is answered alone, and its twin for what is sent would be named by nobody. */
function withoutInputs(document: Described): Described {
  const schemas = Object.entries(document.components?.schemas ?? {});
  const answered = schemas.filter(([name]) => !name.endsWith("Input"));
  return {
    ...document,
    components: { ...document.components, schemas: Object.fromEntries(answered) },
  };
}
